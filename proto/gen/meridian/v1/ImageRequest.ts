// Original file: proto/meridian/v1/metadata.proto


export interface ImageRequest {
  'repository'?: (string);
  'reference'?: (string);
}

export interface ImageRequest__Output {
  'repository': (string);
  'reference': (string);
}
