// Original file: proto/meridian/v1/metadata.proto


export interface Ack {
  'held'?: (Buffer | Uint8Array | string);
}

export interface Ack__Output {
  'held': (Buffer);
}
