// Original file: proto/meridian/v1/metadata.proto


export interface AuditAnswer {
  'isReady'?: (boolean);
  'held'?: (Buffer | Uint8Array | string);
  'sums'?: (Buffer | Uint8Array | string);
}

export interface AuditAnswer__Output {
  'isReady': (boolean);
  'held': (Buffer);
  'sums': (Buffer);
}
