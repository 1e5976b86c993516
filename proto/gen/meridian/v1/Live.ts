// Original file: proto/meridian/v1/metadata.proto


export interface Live {
  'changes'?: (Buffer | Uint8Array | string)[];
}

export interface Live__Output {
  'changes': (Buffer)[];
}
