// Original file: proto/meridian/v1/blobs.proto

import type { Long } from '@grpc/proto-loader';

export interface BlobFound {
  'digest'?: (string);
  'size'?: (number | string | Long);
  'isLinked'?: (boolean);
}

export interface BlobFound__Output {
  'digest': (string);
  'size': (string);
  'isLinked': (boolean);
}
