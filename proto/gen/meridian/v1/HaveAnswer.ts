// Original file: proto/meridian/v1/blobs.proto

import type { BlobFound as _meridian_v1_BlobFound, BlobFound__Output as _meridian_v1_BlobFound__Output } from '../../meridian/v1/BlobFound.ts';

export interface HaveAnswer {
  'found'?: (_meridian_v1_BlobFound)[];
}

export interface HaveAnswer__Output {
  'found': (_meridian_v1_BlobFound__Output)[];
}
