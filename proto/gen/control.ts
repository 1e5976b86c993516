import type * as grpc from '@grpc/grpc-js';
import type { MessageTypeDefinition } from '@grpc/proto-loader';

import type { CompareAnswer as _meridian_v1_CompareAnswer, CompareAnswer__Output as _meridian_v1_CompareAnswer__Output } from './meridian/v1/CompareAnswer.ts';
import type { CompareRequest as _meridian_v1_CompareRequest, CompareRequest__Output as _meridian_v1_CompareRequest__Output } from './meridian/v1/CompareRequest.ts';
import type { ControlClient as _meridian_v1_ControlClient, ControlDefinition as _meridian_v1_ControlDefinition } from './meridian/v1/Control.ts';
import type { Greeting as _meridian_v1_Greeting, Greeting__Output as _meridian_v1_Greeting__Output } from './meridian/v1/Greeting.ts';
import type { LagFrom as _meridian_v1_LagFrom, LagFrom__Output as _meridian_v1_LagFrom__Output } from './meridian/v1/LagFrom.ts';
import type { MembersHeard as _meridian_v1_MembersHeard, MembersHeard__Output as _meridian_v1_MembersHeard__Output } from './meridian/v1/MembersHeard.ts';
import type { MembersTold as _meridian_v1_MembersTold, MembersTold__Output as _meridian_v1_MembersTold__Output } from './meridian/v1/MembersTold.ts';
import type { NodeReport as _meridian_v1_NodeReport, NodeReport__Output as _meridian_v1_NodeReport__Output } from './meridian/v1/NodeReport.ts';
import type { ProbeAnswer as _meridian_v1_ProbeAnswer, ProbeAnswer__Output as _meridian_v1_ProbeAnswer__Output } from './meridian/v1/ProbeAnswer.ts';
import type { ProbeForAnswer as _meridian_v1_ProbeForAnswer, ProbeForAnswer__Output as _meridian_v1_ProbeForAnswer__Output } from './meridian/v1/ProbeForAnswer.ts';
import type { ProbeForRequest as _meridian_v1_ProbeForRequest, ProbeForRequest__Output as _meridian_v1_ProbeForRequest__Output } from './meridian/v1/ProbeForRequest.ts';
import type { ProbeRequest as _meridian_v1_ProbeRequest, ProbeRequest__Output as _meridian_v1_ProbeRequest__Output } from './meridian/v1/ProbeRequest.ts';
import type { ReportRequest as _meridian_v1_ReportRequest, ReportRequest__Output as _meridian_v1_ReportRequest__Output } from './meridian/v1/ReportRequest.ts';

type SubtypeConstructor<Constructor extends new (...args: any) => any, Subtype> = {
  new(...args: ConstructorParameters<Constructor>): Subtype;
};

export interface ProtoGrpcType {
  meridian: {
    v1: {
      CompareAnswer: MessageTypeDefinition<_meridian_v1_CompareAnswer, _meridian_v1_CompareAnswer__Output>
      CompareRequest: MessageTypeDefinition<_meridian_v1_CompareRequest, _meridian_v1_CompareRequest__Output>
      Control: SubtypeConstructor<typeof grpc.Client, _meridian_v1_ControlClient> & { service: _meridian_v1_ControlDefinition }
      Greeting: MessageTypeDefinition<_meridian_v1_Greeting, _meridian_v1_Greeting__Output>
      LagFrom: MessageTypeDefinition<_meridian_v1_LagFrom, _meridian_v1_LagFrom__Output>
      MembersHeard: MessageTypeDefinition<_meridian_v1_MembersHeard, _meridian_v1_MembersHeard__Output>
      MembersTold: MessageTypeDefinition<_meridian_v1_MembersTold, _meridian_v1_MembersTold__Output>
      NodeReport: MessageTypeDefinition<_meridian_v1_NodeReport, _meridian_v1_NodeReport__Output>
      ProbeAnswer: MessageTypeDefinition<_meridian_v1_ProbeAnswer, _meridian_v1_ProbeAnswer__Output>
      ProbeForAnswer: MessageTypeDefinition<_meridian_v1_ProbeForAnswer, _meridian_v1_ProbeForAnswer__Output>
      ProbeForRequest: MessageTypeDefinition<_meridian_v1_ProbeForRequest, _meridian_v1_ProbeForRequest__Output>
      ProbeRequest: MessageTypeDefinition<_meridian_v1_ProbeRequest, _meridian_v1_ProbeRequest__Output>
      ReportRequest: MessageTypeDefinition<_meridian_v1_ReportRequest, _meridian_v1_ReportRequest__Output>
    }
  }
}

