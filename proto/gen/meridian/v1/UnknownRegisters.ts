// Original file: proto/meridian/v1/metadata.proto


export interface UnknownRegisters {
  'fingerprints'?: (Buffer | Uint8Array | string);
}

export interface UnknownRegisters__Output {
  'fingerprints': (Buffer);
}
