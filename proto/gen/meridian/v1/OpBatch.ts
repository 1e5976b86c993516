// Original file: proto/meridian/v1/metadata.proto

import type { Long } from '@grpc/proto-loader';

export interface OpBatch {
  'origin'?: (string);
  'from'?: (number | string | Long);
  'ops'?: (Buffer | Uint8Array | string)[];
  'chain'?: (Buffer | Uint8Array | string);
  'base'?: (Buffer | Uint8Array | string);
  'packed'?: (Buffer | Uint8Array | string);
}

export interface OpBatch__Output {
  'origin': (string);
  'from': (string);
  'ops': (Buffer)[];
  'chain': (Buffer);
  'base': (Buffer);
  'packed': (Buffer);
}
