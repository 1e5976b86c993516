// Original file: proto/meridian/v1/control.proto


export interface ProbeRequest {
  'target'?: (string);
  'sentWallMs'?: (number | string);
  'news'?: (Buffer | Uint8Array | string);
}

export interface ProbeRequest__Output {
  'target': (string);
  'sentWallMs': (number);
  'news': (Buffer);
}
