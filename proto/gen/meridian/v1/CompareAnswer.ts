// Original file: proto/meridian/v1/control.proto


export interface CompareAnswer {
  'isEqual'?: (boolean);
  'news'?: (Buffer | Uint8Array | string);
}

export interface CompareAnswer__Output {
  'isEqual': (boolean);
  'news': (Buffer);
}
