// Original file: proto/meridian/v1/metadata.proto

import type { Long } from '@grpc/proto-loader';

export interface Heads {
  'held'?: (Buffer | Uint8Array | string);
  'closed'?: (number | string | Long);
  'wallMs'?: (number | string);
}

export interface Heads__Output {
  'held': (Buffer);
  'closed': (string);
  'wallMs': (number);
}
