// Original file: proto/meridian/v1/metadata.proto

import type { Live as _meridian_v1_Live, Live__Output as _meridian_v1_Live__Output } from '../../meridian/v1/Live.ts';
import type { UnknownRegisters as _meridian_v1_UnknownRegisters, UnknownRegisters__Output as _meridian_v1_UnknownRegisters__Output } from '../../meridian/v1/UnknownRegisters.ts';

export interface AuditLaneFrame {
  'changes'?: (_meridian_v1_Live | null);
  'unknown'?: (_meridian_v1_UnknownRegisters | null);
  'frame'?: "changes"|"unknown";
}

export interface AuditLaneFrame__Output {
  'changes'?: (_meridian_v1_Live__Output | null);
  'unknown'?: (_meridian_v1_UnknownRegisters__Output | null);
  'frame'?: "changes"|"unknown";
}
