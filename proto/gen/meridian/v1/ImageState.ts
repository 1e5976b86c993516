// Original file: proto/meridian/v1/metadata.proto

import type { MissingBlob as _meridian_v1_MissingBlob, MissingBlob__Output as _meridian_v1_MissingBlob__Output } from '../../meridian/v1/MissingBlob.ts';
import type { Long } from '@grpc/proto-loader';

export interface ImageState {
  'digest'?: (string);
  'isKnown'?: (boolean);
  'blobsTotal'?: (number | string | Long);
  'blobsHeld'?: (number | string | Long);
  'bytesTotal'?: (number | string | Long);
  'bytesHeld'?: (number | string | Long);
  'missing'?: (_meridian_v1_MissingBlob)[];
  '_digest'?: "digest";
}

export interface ImageState__Output {
  'digest'?: (string);
  'isKnown': (boolean);
  'blobsTotal': (string);
  'blobsHeld': (string);
  'bytesTotal': (string);
  'bytesHeld': (string);
  'missing': (_meridian_v1_MissingBlob__Output)[];
  '_digest'?: "digest";
}
