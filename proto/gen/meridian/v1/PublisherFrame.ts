// Original file: proto/meridian/v1/metadata.proto

import type { OpBatch as _meridian_v1_OpBatch, OpBatch__Output as _meridian_v1_OpBatch__Output } from '../../meridian/v1/OpBatch.ts';
import type { Heads as _meridian_v1_Heads, Heads__Output as _meridian_v1_Heads__Output } from '../../meridian/v1/Heads.ts';

export interface PublisherFrame {
  'ops'?: (_meridian_v1_OpBatch | null);
  'heads'?: (_meridian_v1_Heads | null);
  'frame'?: "ops"|"heads";
}

export interface PublisherFrame__Output {
  'ops'?: (_meridian_v1_OpBatch__Output | null);
  'heads'?: (_meridian_v1_Heads__Output | null);
  'frame'?: "ops"|"heads";
}
