// Original file: proto/meridian/v1/blobs.proto


export interface HaveRequest {
  'repository'?: (string);
  'digests'?: (string)[];
  '_repository'?: "repository";
}

export interface HaveRequest__Output {
  'repository'?: (string);
  'digests': (string)[];
  '_repository'?: "repository";
}
