// Original file: proto/meridian/v1/metadata.proto

import type { OpBatch as _meridian_v1_OpBatch, OpBatch__Output as _meridian_v1_OpBatch__Output } from '../../meridian/v1/OpBatch.ts';
import type { Live as _meridian_v1_Live, Live__Output as _meridian_v1_Live__Output } from '../../meridian/v1/Live.ts';
import type { End as _meridian_v1_End, End__Output as _meridian_v1_End__Output } from '../../meridian/v1/End.ts';

export interface PullFrame {
  'ops'?: (_meridian_v1_OpBatch | null);
  'live'?: (_meridian_v1_Live | null);
  'end'?: (_meridian_v1_End | null);
  'frame'?: "ops"|"live"|"end";
}

export interface PullFrame__Output {
  'ops'?: (_meridian_v1_OpBatch__Output | null);
  'live'?: (_meridian_v1_Live__Output | null);
  'end'?: (_meridian_v1_End__Output | null);
  'frame'?: "ops"|"live"|"end";
}
