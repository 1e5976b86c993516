// Original file: proto/meridian/v1/metadata.proto

import type { Chain as _meridian_v1_Chain, Chain__Output as _meridian_v1_Chain__Output } from '../../meridian/v1/Chain.ts';

export interface End {
  'held'?: (Buffer | Uint8Array | string);
  'chains'?: (_meridian_v1_Chain)[];
}

export interface End__Output {
  'held': (Buffer);
  'chains': (_meridian_v1_Chain__Output)[];
}
