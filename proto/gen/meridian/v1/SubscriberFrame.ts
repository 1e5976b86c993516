// Original file: proto/meridian/v1/metadata.proto

import type { Ack as _meridian_v1_Ack, Ack__Output as _meridian_v1_Ack__Output } from '../../meridian/v1/Ack.ts';
import type { Want as _meridian_v1_Want, Want__Output as _meridian_v1_Want__Output } from '../../meridian/v1/Want.ts';
import type { Credit as _meridian_v1_Credit, Credit__Output as _meridian_v1_Credit__Output } from '../../meridian/v1/Credit.ts';
import type { Ask as _meridian_v1_Ask, Ask__Output as _meridian_v1_Ask__Output } from '../../meridian/v1/Ask.ts';

export interface SubscriberFrame {
  'ack'?: (_meridian_v1_Ack | null);
  'want'?: (_meridian_v1_Want | null);
  'credit'?: (_meridian_v1_Credit | null);
  'ask'?: (_meridian_v1_Ask | null);
  'frame'?: "ack"|"want"|"credit"|"ask";
}

export interface SubscriberFrame__Output {
  'ack'?: (_meridian_v1_Ack__Output | null);
  'want'?: (_meridian_v1_Want__Output | null);
  'credit'?: (_meridian_v1_Credit__Output | null);
  'ask'?: (_meridian_v1_Ask__Output | null);
  'frame'?: "ack"|"want"|"credit"|"ask";
}
