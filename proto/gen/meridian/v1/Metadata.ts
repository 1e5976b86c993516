// Original file: proto/meridian/v1/metadata.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { AuditAnswer as _meridian_v1_AuditAnswer, AuditAnswer__Output as _meridian_v1_AuditAnswer__Output } from '../../meridian/v1/AuditAnswer.ts';
import type { AuditLaneFrame as _meridian_v1_AuditLaneFrame, AuditLaneFrame__Output as _meridian_v1_AuditLaneFrame__Output } from '../../meridian/v1/AuditLaneFrame.ts';
import type { AuditLaneRequest as _meridian_v1_AuditLaneRequest, AuditLaneRequest__Output as _meridian_v1_AuditLaneRequest__Output } from '../../meridian/v1/AuditLaneRequest.ts';
import type { AuditRequest as _meridian_v1_AuditRequest, AuditRequest__Output as _meridian_v1_AuditRequest__Output } from '../../meridian/v1/AuditRequest.ts';
import type { ImageRequest as _meridian_v1_ImageRequest, ImageRequest__Output as _meridian_v1_ImageRequest__Output } from '../../meridian/v1/ImageRequest.ts';
import type { ImageState as _meridian_v1_ImageState, ImageState__Output as _meridian_v1_ImageState__Output } from '../../meridian/v1/ImageState.ts';
import type { LookupAnswer as _meridian_v1_LookupAnswer, LookupAnswer__Output as _meridian_v1_LookupAnswer__Output } from '../../meridian/v1/LookupAnswer.ts';
import type { PublisherFrame as _meridian_v1_PublisherFrame, PublisherFrame__Output as _meridian_v1_PublisherFrame__Output } from '../../meridian/v1/PublisherFrame.ts';
import type { PullFrame as _meridian_v1_PullFrame, PullFrame__Output as _meridian_v1_PullFrame__Output } from '../../meridian/v1/PullFrame.ts';
import type { PullRequest as _meridian_v1_PullRequest, PullRequest__Output as _meridian_v1_PullRequest__Output } from '../../meridian/v1/PullRequest.ts';
import type { SubscriberFrame as _meridian_v1_SubscriberFrame, SubscriberFrame__Output as _meridian_v1_SubscriberFrame__Output } from '../../meridian/v1/SubscriberFrame.ts';

export interface MetadataClient extends grpc.Client {
  Audit(argument: _meridian_v1_AuditRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_AuditAnswer__Output>): grpc.ClientUnaryCall;
  Audit(argument: _meridian_v1_AuditRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_meridian_v1_AuditAnswer__Output>): grpc.ClientUnaryCall;
  Audit(argument: _meridian_v1_AuditRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_AuditAnswer__Output>): grpc.ClientUnaryCall;
  Audit(argument: _meridian_v1_AuditRequest, callback: grpc.requestCallback<_meridian_v1_AuditAnswer__Output>): grpc.ClientUnaryCall;
  audit(argument: _meridian_v1_AuditRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_AuditAnswer__Output>): grpc.ClientUnaryCall;
  audit(argument: _meridian_v1_AuditRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_meridian_v1_AuditAnswer__Output>): grpc.ClientUnaryCall;
  audit(argument: _meridian_v1_AuditRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_AuditAnswer__Output>): grpc.ClientUnaryCall;
  audit(argument: _meridian_v1_AuditRequest, callback: grpc.requestCallback<_meridian_v1_AuditAnswer__Output>): grpc.ClientUnaryCall;
  
  AuditLane(argument: _meridian_v1_AuditLaneRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_meridian_v1_AuditLaneFrame__Output>;
  AuditLane(argument: _meridian_v1_AuditLaneRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_meridian_v1_AuditLaneFrame__Output>;
  auditLane(argument: _meridian_v1_AuditLaneRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_meridian_v1_AuditLaneFrame__Output>;
  auditLane(argument: _meridian_v1_AuditLaneRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_meridian_v1_AuditLaneFrame__Output>;
  
  DescribeImage(argument: _meridian_v1_ImageRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_ImageState__Output>): grpc.ClientUnaryCall;
  DescribeImage(argument: _meridian_v1_ImageRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_meridian_v1_ImageState__Output>): grpc.ClientUnaryCall;
  DescribeImage(argument: _meridian_v1_ImageRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_ImageState__Output>): grpc.ClientUnaryCall;
  DescribeImage(argument: _meridian_v1_ImageRequest, callback: grpc.requestCallback<_meridian_v1_ImageState__Output>): grpc.ClientUnaryCall;
  describeImage(argument: _meridian_v1_ImageRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_ImageState__Output>): grpc.ClientUnaryCall;
  describeImage(argument: _meridian_v1_ImageRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_meridian_v1_ImageState__Output>): grpc.ClientUnaryCall;
  describeImage(argument: _meridian_v1_ImageRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_ImageState__Output>): grpc.ClientUnaryCall;
  describeImage(argument: _meridian_v1_ImageRequest, callback: grpc.requestCallback<_meridian_v1_ImageState__Output>): grpc.ClientUnaryCall;
  
  Lookup(argument: _meridian_v1_ImageRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_LookupAnswer__Output>): grpc.ClientUnaryCall;
  Lookup(argument: _meridian_v1_ImageRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_meridian_v1_LookupAnswer__Output>): grpc.ClientUnaryCall;
  Lookup(argument: _meridian_v1_ImageRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_LookupAnswer__Output>): grpc.ClientUnaryCall;
  Lookup(argument: _meridian_v1_ImageRequest, callback: grpc.requestCallback<_meridian_v1_LookupAnswer__Output>): grpc.ClientUnaryCall;
  lookup(argument: _meridian_v1_ImageRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_LookupAnswer__Output>): grpc.ClientUnaryCall;
  lookup(argument: _meridian_v1_ImageRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_meridian_v1_LookupAnswer__Output>): grpc.ClientUnaryCall;
  lookup(argument: _meridian_v1_ImageRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_LookupAnswer__Output>): grpc.ClientUnaryCall;
  lookup(argument: _meridian_v1_ImageRequest, callback: grpc.requestCallback<_meridian_v1_LookupAnswer__Output>): grpc.ClientUnaryCall;
  
  Pull(argument: _meridian_v1_PullRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_meridian_v1_PullFrame__Output>;
  Pull(argument: _meridian_v1_PullRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_meridian_v1_PullFrame__Output>;
  pull(argument: _meridian_v1_PullRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_meridian_v1_PullFrame__Output>;
  pull(argument: _meridian_v1_PullRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_meridian_v1_PullFrame__Output>;
  
  Replicate(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_meridian_v1_SubscriberFrame, _meridian_v1_PublisherFrame__Output>;
  Replicate(options?: grpc.CallOptions): grpc.ClientDuplexStream<_meridian_v1_SubscriberFrame, _meridian_v1_PublisherFrame__Output>;
  replicate(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_meridian_v1_SubscriberFrame, _meridian_v1_PublisherFrame__Output>;
  replicate(options?: grpc.CallOptions): grpc.ClientDuplexStream<_meridian_v1_SubscriberFrame, _meridian_v1_PublisherFrame__Output>;
  
}

export interface MetadataHandlers extends grpc.UntypedServiceImplementation {
  Audit: grpc.handleUnaryCall<_meridian_v1_AuditRequest__Output, _meridian_v1_AuditAnswer>;
  
  AuditLane: grpc.handleServerStreamingCall<_meridian_v1_AuditLaneRequest__Output, _meridian_v1_AuditLaneFrame>;
  
  DescribeImage: grpc.handleUnaryCall<_meridian_v1_ImageRequest__Output, _meridian_v1_ImageState>;
  
  Lookup: grpc.handleUnaryCall<_meridian_v1_ImageRequest__Output, _meridian_v1_LookupAnswer>;
  
  Pull: grpc.handleServerStreamingCall<_meridian_v1_PullRequest__Output, _meridian_v1_PullFrame>;
  
  Replicate: grpc.handleBidiStreamingCall<_meridian_v1_SubscriberFrame__Output, _meridian_v1_PublisherFrame>;
  
}

export interface MetadataDefinition extends grpc.ServiceDefinition {
  Audit: MethodDefinition<_meridian_v1_AuditRequest, _meridian_v1_AuditAnswer, _meridian_v1_AuditRequest__Output, _meridian_v1_AuditAnswer__Output>
  AuditLane: MethodDefinition<_meridian_v1_AuditLaneRequest, _meridian_v1_AuditLaneFrame, _meridian_v1_AuditLaneRequest__Output, _meridian_v1_AuditLaneFrame__Output>
  DescribeImage: MethodDefinition<_meridian_v1_ImageRequest, _meridian_v1_ImageState, _meridian_v1_ImageRequest__Output, _meridian_v1_ImageState__Output>
  Lookup: MethodDefinition<_meridian_v1_ImageRequest, _meridian_v1_LookupAnswer, _meridian_v1_ImageRequest__Output, _meridian_v1_LookupAnswer__Output>
  Pull: MethodDefinition<_meridian_v1_PullRequest, _meridian_v1_PullFrame, _meridian_v1_PullRequest__Output, _meridian_v1_PullFrame__Output>
  Replicate: MethodDefinition<_meridian_v1_SubscriberFrame, _meridian_v1_PublisherFrame, _meridian_v1_SubscriberFrame__Output, _meridian_v1_PublisherFrame__Output>
}
