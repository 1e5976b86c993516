// Original file: proto/meridian/v1/metadata.proto


export interface AuditRequest {
  'root'?: (Buffer | Uint8Array | string);
  'groups'?: (number)[];
  '_root'?: "root";
}

export interface AuditRequest__Output {
  'root'?: (Buffer);
  'groups': (number)[];
  '_root'?: "root";
}
