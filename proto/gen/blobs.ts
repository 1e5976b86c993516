import type * as grpc from '@grpc/grpc-js';
import type { MessageTypeDefinition } from '@grpc/proto-loader';

import type { BlobFound as _meridian_v1_BlobFound, BlobFound__Output as _meridian_v1_BlobFound__Output } from './meridian/v1/BlobFound.ts';
import type { BlobsClient as _meridian_v1_BlobsClient, BlobsDefinition as _meridian_v1_BlobsDefinition } from './meridian/v1/Blobs.ts';
import type { Chunk as _meridian_v1_Chunk, Chunk__Output as _meridian_v1_Chunk__Output } from './meridian/v1/Chunk.ts';
import type { HaveAnswer as _meridian_v1_HaveAnswer, HaveAnswer__Output as _meridian_v1_HaveAnswer__Output } from './meridian/v1/HaveAnswer.ts';
import type { HaveRequest as _meridian_v1_HaveRequest, HaveRequest__Output as _meridian_v1_HaveRequest__Output } from './meridian/v1/HaveRequest.ts';
import type { ReadRequest as _meridian_v1_ReadRequest, ReadRequest__Output as _meridian_v1_ReadRequest__Output } from './meridian/v1/ReadRequest.ts';

type SubtypeConstructor<Constructor extends new (...args: any) => any, Subtype> = {
  new(...args: ConstructorParameters<Constructor>): Subtype;
};

export interface ProtoGrpcType {
  meridian: {
    v1: {
      BlobFound: MessageTypeDefinition<_meridian_v1_BlobFound, _meridian_v1_BlobFound__Output>
      Blobs: SubtypeConstructor<typeof grpc.Client, _meridian_v1_BlobsClient> & { service: _meridian_v1_BlobsDefinition }
      Chunk: MessageTypeDefinition<_meridian_v1_Chunk, _meridian_v1_Chunk__Output>
      HaveAnswer: MessageTypeDefinition<_meridian_v1_HaveAnswer, _meridian_v1_HaveAnswer__Output>
      HaveRequest: MessageTypeDefinition<_meridian_v1_HaveRequest, _meridian_v1_HaveRequest__Output>
      ReadRequest: MessageTypeDefinition<_meridian_v1_ReadRequest, _meridian_v1_ReadRequest__Output>
    }
  }
}

