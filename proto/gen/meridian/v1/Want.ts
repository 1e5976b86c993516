// Original file: proto/meridian/v1/metadata.proto

import type { WantedOrigin as _meridian_v1_WantedOrigin, WantedOrigin__Output as _meridian_v1_WantedOrigin__Output } from '../../meridian/v1/WantedOrigin.ts';

export interface Want {
  'origins'?: (_meridian_v1_WantedOrigin)[];
}

export interface Want__Output {
  'origins': (_meridian_v1_WantedOrigin__Output)[];
}
