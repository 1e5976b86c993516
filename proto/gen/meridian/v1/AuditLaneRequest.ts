// Original file: proto/meridian/v1/metadata.proto


export interface AuditLaneRequest {
  'lane'?: (number);
  'known'?: (Buffer | Uint8Array | string);
}

export interface AuditLaneRequest__Output {
  'lane': (number);
  'known': (Buffer);
}
