// Original file: proto/meridian/v1/control.proto


export interface ProbeAnswer {
  'receivedWallMs'?: (number | string);
  'answeredWallMs'?: (number | string);
  'news'?: (Buffer | Uint8Array | string);
}

export interface ProbeAnswer__Output {
  'receivedWallMs': (number);
  'answeredWallMs': (number);
  'news': (Buffer);
}
