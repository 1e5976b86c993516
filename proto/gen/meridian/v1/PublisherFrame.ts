// Original file: proto/meridian/v1/metadata.proto

import type { OpBatch as _meridian_v1_OpBatch, OpBatch__Output as _meridian_v1_OpBatch__Output } from '../../meridian/v1/OpBatch.ts';
import type { Heads as _meridian_v1_Heads, Heads__Output as _meridian_v1_Heads__Output } from '../../meridian/v1/Heads.ts';
import type { Pulse as _meridian_v1_Pulse, Pulse__Output as _meridian_v1_Pulse__Output } from '../../meridian/v1/Pulse.ts';
import type { Lost as _meridian_v1_Lost, Lost__Output as _meridian_v1_Lost__Output } from '../../meridian/v1/Lost.ts';

export interface PublisherFrame {
  'ops'?: (_meridian_v1_OpBatch | null);
  'heads'?: (_meridian_v1_Heads | null);
  'pulse'?: (_meridian_v1_Pulse | null);
  'lost'?: (_meridian_v1_Lost | null);
  'frame'?: "ops"|"heads"|"pulse"|"lost";
}

export interface PublisherFrame__Output {
  'ops'?: (_meridian_v1_OpBatch__Output | null);
  'heads'?: (_meridian_v1_Heads__Output | null);
  'pulse'?: (_meridian_v1_Pulse__Output | null);
  'lost'?: (_meridian_v1_Lost__Output | null);
  'frame'?: "ops"|"heads"|"pulse"|"lost";
}
