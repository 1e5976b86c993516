// Original file: proto/meridian/v1/metadata.proto

import type { Long } from '@grpc/proto-loader';

export interface Credit {
  'granted'?: (number | string | Long);
}

export interface Credit__Output {
  'granted': (string);
}
