// Original file: proto/meridian/v1/control.proto


export interface CompareRequest {
  'digest'?: (Buffer | Uint8Array | string);
  'news'?: (Buffer | Uint8Array | string);
}

export interface CompareRequest__Output {
  'digest': (Buffer);
  'news': (Buffer);
}
