// Original file: proto/meridian/v1/metadata.proto


export interface Lost {
  'origin'?: (string);
}

export interface Lost__Output {
  'origin': (string);
}
