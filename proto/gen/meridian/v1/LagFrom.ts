// Original file: proto/meridian/v1/control.proto

import type { Long } from '@grpc/proto-loader';

export interface LagFrom {
  'source'?: (string);
  'region'?: (string);
  'isReachable'?: (boolean);
  'pendingOps'?: (number | string | Long);
  'lagMs'?: (number | string);
}

export interface LagFrom__Output {
  'source': (string);
  'region': (string);
  'isReachable': (boolean);
  'pendingOps': (string);
  'lagMs': (number);
}
