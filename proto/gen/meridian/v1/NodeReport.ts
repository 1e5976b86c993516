// Original file: proto/meridian/v1/control.proto

import type { Greeting as _meridian_v1_Greeting, Greeting__Output as _meridian_v1_Greeting__Output } from '../../meridian/v1/Greeting.ts';
import type { LagFrom as _meridian_v1_LagFrom, LagFrom__Output as _meridian_v1_LagFrom__Output } from '../../meridian/v1/LagFrom.ts';
import type { Long } from '@grpc/proto-loader';

export interface NodeReport {
  'greeting'?: (_meridian_v1_Greeting | null);
  'held'?: (Buffer | Uint8Array | string);
  'uptimeMs'?: (number | string);
  'repositories'?: (number | string | Long);
  'tags'?: (number | string | Long);
  'stateHash'?: (string);
  'lag'?: (_meridian_v1_LagFrom)[];
}

export interface NodeReport__Output {
  'greeting': (_meridian_v1_Greeting__Output | null);
  'held': (Buffer);
  'uptimeMs': (number);
  'repositories': (string);
  'tags': (string);
  'stateHash': (string);
  'lag': (_meridian_v1_LagFrom__Output)[];
}
