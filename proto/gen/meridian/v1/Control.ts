// Original file: proto/meridian/v1/control.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { Greeting as _meridian_v1_Greeting, Greeting__Output as _meridian_v1_Greeting__Output } from '../../meridian/v1/Greeting.ts';
import type { NodeReport as _meridian_v1_NodeReport, NodeReport__Output as _meridian_v1_NodeReport__Output } from '../../meridian/v1/NodeReport.ts';
import type { ReportRequest as _meridian_v1_ReportRequest, ReportRequest__Output as _meridian_v1_ReportRequest__Output } from '../../meridian/v1/ReportRequest.ts';

export interface ControlClient extends grpc.Client {
  Greet(argument: _meridian_v1_Greeting, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_Greeting__Output>): grpc.ClientUnaryCall;
  Greet(argument: _meridian_v1_Greeting, metadata: grpc.Metadata, callback: grpc.requestCallback<_meridian_v1_Greeting__Output>): grpc.ClientUnaryCall;
  Greet(argument: _meridian_v1_Greeting, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_Greeting__Output>): grpc.ClientUnaryCall;
  Greet(argument: _meridian_v1_Greeting, callback: grpc.requestCallback<_meridian_v1_Greeting__Output>): grpc.ClientUnaryCall;
  greet(argument: _meridian_v1_Greeting, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_Greeting__Output>): grpc.ClientUnaryCall;
  greet(argument: _meridian_v1_Greeting, metadata: grpc.Metadata, callback: grpc.requestCallback<_meridian_v1_Greeting__Output>): grpc.ClientUnaryCall;
  greet(argument: _meridian_v1_Greeting, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_Greeting__Output>): grpc.ClientUnaryCall;
  greet(argument: _meridian_v1_Greeting, callback: grpc.requestCallback<_meridian_v1_Greeting__Output>): grpc.ClientUnaryCall;
  
  Report(argument: _meridian_v1_ReportRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_NodeReport__Output>): grpc.ClientUnaryCall;
  Report(argument: _meridian_v1_ReportRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_meridian_v1_NodeReport__Output>): grpc.ClientUnaryCall;
  Report(argument: _meridian_v1_ReportRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_NodeReport__Output>): grpc.ClientUnaryCall;
  Report(argument: _meridian_v1_ReportRequest, callback: grpc.requestCallback<_meridian_v1_NodeReport__Output>): grpc.ClientUnaryCall;
  report(argument: _meridian_v1_ReportRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_NodeReport__Output>): grpc.ClientUnaryCall;
  report(argument: _meridian_v1_ReportRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_meridian_v1_NodeReport__Output>): grpc.ClientUnaryCall;
  report(argument: _meridian_v1_ReportRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_NodeReport__Output>): grpc.ClientUnaryCall;
  report(argument: _meridian_v1_ReportRequest, callback: grpc.requestCallback<_meridian_v1_NodeReport__Output>): grpc.ClientUnaryCall;
  
}

export interface ControlHandlers extends grpc.UntypedServiceImplementation {
  Greet: grpc.handleUnaryCall<_meridian_v1_Greeting__Output, _meridian_v1_Greeting>;
  
  Report: grpc.handleUnaryCall<_meridian_v1_ReportRequest__Output, _meridian_v1_NodeReport>;
  
}

export interface ControlDefinition extends grpc.ServiceDefinition {
  Greet: MethodDefinition<_meridian_v1_Greeting, _meridian_v1_Greeting, _meridian_v1_Greeting__Output, _meridian_v1_Greeting__Output>
  Report: MethodDefinition<_meridian_v1_ReportRequest, _meridian_v1_NodeReport, _meridian_v1_ReportRequest__Output, _meridian_v1_NodeReport__Output>
}
