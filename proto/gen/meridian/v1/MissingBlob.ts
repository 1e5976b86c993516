// Original file: proto/meridian/v1/metadata.proto

import type { Long } from '@grpc/proto-loader';

export interface MissingBlob {
  'digest'?: (string);
  'size'?: (number | string | Long);
}

export interface MissingBlob__Output {
  'digest': (string);
  'size': (string);
}
