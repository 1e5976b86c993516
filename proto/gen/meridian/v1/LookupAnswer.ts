// Original file: proto/meridian/v1/metadata.proto


export interface LookupAnswer {
  'changes'?: (Buffer | Uint8Array | string)[];
}

export interface LookupAnswer__Output {
  'changes': (Buffer)[];
}
