import type * as grpc from '@grpc/grpc-js';
import type { MessageTypeDefinition } from '@grpc/proto-loader';

import type { ControlClient as _meridian_v1_ControlClient, ControlDefinition as _meridian_v1_ControlDefinition } from './meridian/v1/Control.ts';
import type { Greeting as _meridian_v1_Greeting, Greeting__Output as _meridian_v1_Greeting__Output } from './meridian/v1/Greeting.ts';
import type { LagFrom as _meridian_v1_LagFrom, LagFrom__Output as _meridian_v1_LagFrom__Output } from './meridian/v1/LagFrom.ts';
import type { NodeReport as _meridian_v1_NodeReport, NodeReport__Output as _meridian_v1_NodeReport__Output } from './meridian/v1/NodeReport.ts';
import type { ReportRequest as _meridian_v1_ReportRequest, ReportRequest__Output as _meridian_v1_ReportRequest__Output } from './meridian/v1/ReportRequest.ts';

type SubtypeConstructor<Constructor extends new (...args: any) => any, Subtype> = {
  new(...args: ConstructorParameters<Constructor>): Subtype;
};

export interface ProtoGrpcType {
  meridian: {
    v1: {
      Control: SubtypeConstructor<typeof grpc.Client, _meridian_v1_ControlClient> & { service: _meridian_v1_ControlDefinition }
      Greeting: MessageTypeDefinition<_meridian_v1_Greeting, _meridian_v1_Greeting__Output>
      LagFrom: MessageTypeDefinition<_meridian_v1_LagFrom, _meridian_v1_LagFrom__Output>
      NodeReport: MessageTypeDefinition<_meridian_v1_NodeReport, _meridian_v1_NodeReport__Output>
      ReportRequest: MessageTypeDefinition<_meridian_v1_ReportRequest, _meridian_v1_ReportRequest__Output>
    }
  }
}

