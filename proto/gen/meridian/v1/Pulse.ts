// Original file: proto/meridian/v1/metadata.proto


export interface Pulse {
  'hash'?: (Buffer | Uint8Array | string);
  'closedAgoMs'?: (number);
  '_hash'?: "hash";
  '_closedAgoMs'?: "closedAgoMs";
}

export interface Pulse__Output {
  'hash'?: (Buffer);
  'closedAgoMs'?: (number);
  '_hash'?: "hash";
  '_closedAgoMs'?: "closedAgoMs";
}
