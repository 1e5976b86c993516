// Original file: proto/meridian/v1/control.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { CompareAnswer as _meridian_v1_CompareAnswer, CompareAnswer__Output as _meridian_v1_CompareAnswer__Output } from '../../meridian/v1/CompareAnswer.ts';
import type { CompareRequest as _meridian_v1_CompareRequest, CompareRequest__Output as _meridian_v1_CompareRequest__Output } from '../../meridian/v1/CompareRequest.ts';
import type { Greeting as _meridian_v1_Greeting, Greeting__Output as _meridian_v1_Greeting__Output } from '../../meridian/v1/Greeting.ts';
import type { MembersHeard as _meridian_v1_MembersHeard, MembersHeard__Output as _meridian_v1_MembersHeard__Output } from '../../meridian/v1/MembersHeard.ts';
import type { MembersTold as _meridian_v1_MembersTold, MembersTold__Output as _meridian_v1_MembersTold__Output } from '../../meridian/v1/MembersTold.ts';
import type { NodeReport as _meridian_v1_NodeReport, NodeReport__Output as _meridian_v1_NodeReport__Output } from '../../meridian/v1/NodeReport.ts';
import type { ProbeAnswer as _meridian_v1_ProbeAnswer, ProbeAnswer__Output as _meridian_v1_ProbeAnswer__Output } from '../../meridian/v1/ProbeAnswer.ts';
import type { ProbeForAnswer as _meridian_v1_ProbeForAnswer, ProbeForAnswer__Output as _meridian_v1_ProbeForAnswer__Output } from '../../meridian/v1/ProbeForAnswer.ts';
import type { ProbeForRequest as _meridian_v1_ProbeForRequest, ProbeForRequest__Output as _meridian_v1_ProbeForRequest__Output } from '../../meridian/v1/ProbeForRequest.ts';
import type { ProbeRequest as _meridian_v1_ProbeRequest, ProbeRequest__Output as _meridian_v1_ProbeRequest__Output } from '../../meridian/v1/ProbeRequest.ts';
import type { ReportRequest as _meridian_v1_ReportRequest, ReportRequest__Output as _meridian_v1_ReportRequest__Output } from '../../meridian/v1/ReportRequest.ts';

export interface ControlClient extends grpc.Client {
  CompareMembers(argument: _meridian_v1_CompareRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_CompareAnswer__Output>): grpc.ClientUnaryCall;
  CompareMembers(argument: _meridian_v1_CompareRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_meridian_v1_CompareAnswer__Output>): grpc.ClientUnaryCall;
  CompareMembers(argument: _meridian_v1_CompareRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_CompareAnswer__Output>): grpc.ClientUnaryCall;
  CompareMembers(argument: _meridian_v1_CompareRequest, callback: grpc.requestCallback<_meridian_v1_CompareAnswer__Output>): grpc.ClientUnaryCall;
  compareMembers(argument: _meridian_v1_CompareRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_CompareAnswer__Output>): grpc.ClientUnaryCall;
  compareMembers(argument: _meridian_v1_CompareRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_meridian_v1_CompareAnswer__Output>): grpc.ClientUnaryCall;
  compareMembers(argument: _meridian_v1_CompareRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_CompareAnswer__Output>): grpc.ClientUnaryCall;
  compareMembers(argument: _meridian_v1_CompareRequest, callback: grpc.requestCallback<_meridian_v1_CompareAnswer__Output>): grpc.ClientUnaryCall;
  
  Greet(argument: _meridian_v1_Greeting, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_Greeting__Output>): grpc.ClientUnaryCall;
  Greet(argument: _meridian_v1_Greeting, metadata: grpc.Metadata, callback: grpc.requestCallback<_meridian_v1_Greeting__Output>): grpc.ClientUnaryCall;
  Greet(argument: _meridian_v1_Greeting, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_Greeting__Output>): grpc.ClientUnaryCall;
  Greet(argument: _meridian_v1_Greeting, callback: grpc.requestCallback<_meridian_v1_Greeting__Output>): grpc.ClientUnaryCall;
  greet(argument: _meridian_v1_Greeting, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_Greeting__Output>): grpc.ClientUnaryCall;
  greet(argument: _meridian_v1_Greeting, metadata: grpc.Metadata, callback: grpc.requestCallback<_meridian_v1_Greeting__Output>): grpc.ClientUnaryCall;
  greet(argument: _meridian_v1_Greeting, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_Greeting__Output>): grpc.ClientUnaryCall;
  greet(argument: _meridian_v1_Greeting, callback: grpc.requestCallback<_meridian_v1_Greeting__Output>): grpc.ClientUnaryCall;
  
  Probe(argument: _meridian_v1_ProbeRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_ProbeAnswer__Output>): grpc.ClientUnaryCall;
  Probe(argument: _meridian_v1_ProbeRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_meridian_v1_ProbeAnswer__Output>): grpc.ClientUnaryCall;
  Probe(argument: _meridian_v1_ProbeRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_ProbeAnswer__Output>): grpc.ClientUnaryCall;
  Probe(argument: _meridian_v1_ProbeRequest, callback: grpc.requestCallback<_meridian_v1_ProbeAnswer__Output>): grpc.ClientUnaryCall;
  probe(argument: _meridian_v1_ProbeRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_ProbeAnswer__Output>): grpc.ClientUnaryCall;
  probe(argument: _meridian_v1_ProbeRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_meridian_v1_ProbeAnswer__Output>): grpc.ClientUnaryCall;
  probe(argument: _meridian_v1_ProbeRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_ProbeAnswer__Output>): grpc.ClientUnaryCall;
  probe(argument: _meridian_v1_ProbeRequest, callback: grpc.requestCallback<_meridian_v1_ProbeAnswer__Output>): grpc.ClientUnaryCall;
  
  ProbeFor(argument: _meridian_v1_ProbeForRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_ProbeForAnswer__Output>): grpc.ClientUnaryCall;
  ProbeFor(argument: _meridian_v1_ProbeForRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_meridian_v1_ProbeForAnswer__Output>): grpc.ClientUnaryCall;
  ProbeFor(argument: _meridian_v1_ProbeForRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_ProbeForAnswer__Output>): grpc.ClientUnaryCall;
  ProbeFor(argument: _meridian_v1_ProbeForRequest, callback: grpc.requestCallback<_meridian_v1_ProbeForAnswer__Output>): grpc.ClientUnaryCall;
  probeFor(argument: _meridian_v1_ProbeForRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_ProbeForAnswer__Output>): grpc.ClientUnaryCall;
  probeFor(argument: _meridian_v1_ProbeForRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_meridian_v1_ProbeForAnswer__Output>): grpc.ClientUnaryCall;
  probeFor(argument: _meridian_v1_ProbeForRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_ProbeForAnswer__Output>): grpc.ClientUnaryCall;
  probeFor(argument: _meridian_v1_ProbeForRequest, callback: grpc.requestCallback<_meridian_v1_ProbeForAnswer__Output>): grpc.ClientUnaryCall;
  
  Report(argument: _meridian_v1_ReportRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_NodeReport__Output>): grpc.ClientUnaryCall;
  Report(argument: _meridian_v1_ReportRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_meridian_v1_NodeReport__Output>): grpc.ClientUnaryCall;
  Report(argument: _meridian_v1_ReportRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_NodeReport__Output>): grpc.ClientUnaryCall;
  Report(argument: _meridian_v1_ReportRequest, callback: grpc.requestCallback<_meridian_v1_NodeReport__Output>): grpc.ClientUnaryCall;
  report(argument: _meridian_v1_ReportRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_NodeReport__Output>): grpc.ClientUnaryCall;
  report(argument: _meridian_v1_ReportRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_meridian_v1_NodeReport__Output>): grpc.ClientUnaryCall;
  report(argument: _meridian_v1_ReportRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_NodeReport__Output>): grpc.ClientUnaryCall;
  report(argument: _meridian_v1_ReportRequest, callback: grpc.requestCallback<_meridian_v1_NodeReport__Output>): grpc.ClientUnaryCall;
  
  TellMembers(argument: _meridian_v1_MembersTold, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_MembersHeard__Output>): grpc.ClientUnaryCall;
  TellMembers(argument: _meridian_v1_MembersTold, metadata: grpc.Metadata, callback: grpc.requestCallback<_meridian_v1_MembersHeard__Output>): grpc.ClientUnaryCall;
  TellMembers(argument: _meridian_v1_MembersTold, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_MembersHeard__Output>): grpc.ClientUnaryCall;
  TellMembers(argument: _meridian_v1_MembersTold, callback: grpc.requestCallback<_meridian_v1_MembersHeard__Output>): grpc.ClientUnaryCall;
  tellMembers(argument: _meridian_v1_MembersTold, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_MembersHeard__Output>): grpc.ClientUnaryCall;
  tellMembers(argument: _meridian_v1_MembersTold, metadata: grpc.Metadata, callback: grpc.requestCallback<_meridian_v1_MembersHeard__Output>): grpc.ClientUnaryCall;
  tellMembers(argument: _meridian_v1_MembersTold, options: grpc.CallOptions, callback: grpc.requestCallback<_meridian_v1_MembersHeard__Output>): grpc.ClientUnaryCall;
  tellMembers(argument: _meridian_v1_MembersTold, callback: grpc.requestCallback<_meridian_v1_MembersHeard__Output>): grpc.ClientUnaryCall;
  
}

export interface ControlHandlers extends grpc.UntypedServiceImplementation {
  CompareMembers: grpc.handleUnaryCall<_meridian_v1_CompareRequest__Output, _meridian_v1_CompareAnswer>;
  
  Greet: grpc.handleUnaryCall<_meridian_v1_Greeting__Output, _meridian_v1_Greeting>;
  
  Probe: grpc.handleUnaryCall<_meridian_v1_ProbeRequest__Output, _meridian_v1_ProbeAnswer>;
  
  ProbeFor: grpc.handleUnaryCall<_meridian_v1_ProbeForRequest__Output, _meridian_v1_ProbeForAnswer>;
  
  Report: grpc.handleUnaryCall<_meridian_v1_ReportRequest__Output, _meridian_v1_NodeReport>;
  
  TellMembers: grpc.handleUnaryCall<_meridian_v1_MembersTold__Output, _meridian_v1_MembersHeard>;
  
}

export interface ControlDefinition extends grpc.ServiceDefinition {
  CompareMembers: MethodDefinition<_meridian_v1_CompareRequest, _meridian_v1_CompareAnswer, _meridian_v1_CompareRequest__Output, _meridian_v1_CompareAnswer__Output>
  Greet: MethodDefinition<_meridian_v1_Greeting, _meridian_v1_Greeting, _meridian_v1_Greeting__Output, _meridian_v1_Greeting__Output>
  Probe: MethodDefinition<_meridian_v1_ProbeRequest, _meridian_v1_ProbeAnswer, _meridian_v1_ProbeRequest__Output, _meridian_v1_ProbeAnswer__Output>
  ProbeFor: MethodDefinition<_meridian_v1_ProbeForRequest, _meridian_v1_ProbeForAnswer, _meridian_v1_ProbeForRequest__Output, _meridian_v1_ProbeForAnswer__Output>
  Report: MethodDefinition<_meridian_v1_ReportRequest, _meridian_v1_NodeReport, _meridian_v1_ReportRequest__Output, _meridian_v1_NodeReport__Output>
  TellMembers: MethodDefinition<_meridian_v1_MembersTold, _meridian_v1_MembersHeard, _meridian_v1_MembersTold__Output, _meridian_v1_MembersHeard__Output>
}
