// Original file: proto/meridian/v1/metadata.proto


export interface Chain {
  'origin'?: (string);
  'chain'?: (Buffer | Uint8Array | string);
}

export interface Chain__Output {
  'origin': (string);
  'chain': (Buffer);
}
