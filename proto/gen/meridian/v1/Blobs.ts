// Original file: proto/meridian/v1/blobs.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { Chunk as _meridian_v1_Chunk, Chunk__Output as _meridian_v1_Chunk__Output } from '../../meridian/v1/Chunk.ts';
import type { HaveAnswer as _meridian_v1_HaveAnswer, HaveAnswer__Output as _meridian_v1_HaveAnswer__Output } from '../../meridian/v1/HaveAnswer.ts';
import type { HaveRequest as _meridian_v1_HaveRequest, HaveRequest__Output as _meridian_v1_HaveRequest__Output } from '../../meridian/v1/HaveRequest.ts';
import type { ReadRequest as _meridian_v1_ReadRequest, ReadRequest__Output as _meridian_v1_ReadRequest__Output } from '../../meridian/v1/ReadRequest.ts';

export interface BlobsClient extends grpc.Client {
  Have(argument: _meridian_v1_HaveRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_HaveAnswer__Output>): grpc.ClientUnaryCall;
  Have(argument: _meridian_v1_HaveRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_meridian_v1_HaveAnswer__Output>): grpc.ClientUnaryCall;
  Have(argument: _meridian_v1_HaveRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_HaveAnswer__Output>): grpc.ClientUnaryCall;
  Have(argument: _meridian_v1_HaveRequest, callback: grpc.requestCallback<_meridian_v1_HaveAnswer__Output>): grpc.ClientUnaryCall;
  have(argument: _meridian_v1_HaveRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_HaveAnswer__Output>): grpc.ClientUnaryCall;
  have(argument: _meridian_v1_HaveRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_meridian_v1_HaveAnswer__Output>): grpc.ClientUnaryCall;
  have(argument: _meridian_v1_HaveRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_HaveAnswer__Output>): grpc.ClientUnaryCall;
  have(argument: _meridian_v1_HaveRequest, callback: grpc.requestCallback<_meridian_v1_HaveAnswer__Output>): grpc.ClientUnaryCall;
  
  Read(argument: _meridian_v1_ReadRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_meridian_v1_Chunk__Output>;
  Read(argument: _meridian_v1_ReadRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_meridian_v1_Chunk__Output>;
  read(argument: _meridian_v1_ReadRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_meridian_v1_Chunk__Output>;
  read(argument: _meridian_v1_ReadRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_meridian_v1_Chunk__Output>;
  
}

export interface BlobsHandlers extends grpc.UntypedServiceImplementation {
  Have: grpc.handleUnaryCall<_meridian_v1_HaveRequest__Output, _meridian_v1_HaveAnswer>;
  
  Read: grpc.handleServerStreamingCall<_meridian_v1_ReadRequest__Output, _meridian_v1_Chunk>;
  
}

export interface BlobsDefinition extends grpc.ServiceDefinition {
  Have: MethodDefinition<_meridian_v1_HaveRequest, _meridian_v1_HaveAnswer, _meridian_v1_HaveRequest__Output, _meridian_v1_HaveAnswer__Output>
  Read: MethodDefinition<_meridian_v1_ReadRequest, _meridian_v1_Chunk, _meridian_v1_ReadRequest__Output, _meridian_v1_Chunk__Output>
}
