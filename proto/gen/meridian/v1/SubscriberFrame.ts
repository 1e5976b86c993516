// Original file: proto/meridian/v1/metadata.proto

import type { Ack as _meridian_v1_Ack, Ack__Output as _meridian_v1_Ack__Output } from '../../meridian/v1/Ack.ts';

export interface SubscriberFrame {
  'ack'?: (_meridian_v1_Ack | null);
  'frame'?: "ack";
}

export interface SubscriberFrame__Output {
  'ack'?: (_meridian_v1_Ack__Output | null);
  'frame'?: "ack";
}
