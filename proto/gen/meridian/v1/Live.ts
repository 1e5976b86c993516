// Original file: proto/meridian/v1/metadata.proto


export interface Live {
  'packed'?: (Buffer | Uint8Array | string);
}

export interface Live__Output {
  'packed': (Buffer);
}
