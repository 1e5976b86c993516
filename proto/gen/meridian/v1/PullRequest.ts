// Original file: proto/meridian/v1/metadata.proto


export interface PullRequest {
  'have'?: (Buffer | Uint8Array | string);
}

export interface PullRequest__Output {
  'have': (Buffer);
}
