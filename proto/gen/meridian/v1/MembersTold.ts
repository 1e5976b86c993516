// Original file: proto/meridian/v1/control.proto


export interface MembersTold {
  'news'?: (Buffer | Uint8Array | string);
}

export interface MembersTold__Output {
  'news': (Buffer);
}
