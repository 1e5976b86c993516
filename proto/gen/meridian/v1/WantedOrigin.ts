// Original file: proto/meridian/v1/metadata.proto

import type { Long } from '@grpc/proto-loader';

export interface WantedOrigin {
  'origin'?: (string);
  'after'?: (number | string | Long);
}

export interface WantedOrigin__Output {
  'origin': (string);
  'after': (string);
}
