import type * as grpc from '@grpc/grpc-js';
import type { MessageTypeDefinition } from '@grpc/proto-loader';

import type { Ack as _meridian_v1_Ack, Ack__Output as _meridian_v1_Ack__Output } from './meridian/v1/Ack.ts';
import type { Ask as _meridian_v1_Ask, Ask__Output as _meridian_v1_Ask__Output } from './meridian/v1/Ask.ts';
import type { AuditAnswer as _meridian_v1_AuditAnswer, AuditAnswer__Output as _meridian_v1_AuditAnswer__Output } from './meridian/v1/AuditAnswer.ts';
import type { AuditLaneFrame as _meridian_v1_AuditLaneFrame, AuditLaneFrame__Output as _meridian_v1_AuditLaneFrame__Output } from './meridian/v1/AuditLaneFrame.ts';
import type { AuditLaneRequest as _meridian_v1_AuditLaneRequest, AuditLaneRequest__Output as _meridian_v1_AuditLaneRequest__Output } from './meridian/v1/AuditLaneRequest.ts';
import type { AuditRequest as _meridian_v1_AuditRequest, AuditRequest__Output as _meridian_v1_AuditRequest__Output } from './meridian/v1/AuditRequest.ts';
import type { Chain as _meridian_v1_Chain, Chain__Output as _meridian_v1_Chain__Output } from './meridian/v1/Chain.ts';
import type { Credit as _meridian_v1_Credit, Credit__Output as _meridian_v1_Credit__Output } from './meridian/v1/Credit.ts';
import type { End as _meridian_v1_End, End__Output as _meridian_v1_End__Output } from './meridian/v1/End.ts';
import type { Heads as _meridian_v1_Heads, Heads__Output as _meridian_v1_Heads__Output } from './meridian/v1/Heads.ts';
import type { ImageRequest as _meridian_v1_ImageRequest, ImageRequest__Output as _meridian_v1_ImageRequest__Output } from './meridian/v1/ImageRequest.ts';
import type { ImageState as _meridian_v1_ImageState, ImageState__Output as _meridian_v1_ImageState__Output } from './meridian/v1/ImageState.ts';
import type { Live as _meridian_v1_Live, Live__Output as _meridian_v1_Live__Output } from './meridian/v1/Live.ts';
import type { LookupAnswer as _meridian_v1_LookupAnswer, LookupAnswer__Output as _meridian_v1_LookupAnswer__Output } from './meridian/v1/LookupAnswer.ts';
import type { Lost as _meridian_v1_Lost, Lost__Output as _meridian_v1_Lost__Output } from './meridian/v1/Lost.ts';
import type { MetadataClient as _meridian_v1_MetadataClient, MetadataDefinition as _meridian_v1_MetadataDefinition } from './meridian/v1/Metadata.ts';
import type { MissingBlob as _meridian_v1_MissingBlob, MissingBlob__Output as _meridian_v1_MissingBlob__Output } from './meridian/v1/MissingBlob.ts';
import type { OpBatch as _meridian_v1_OpBatch, OpBatch__Output as _meridian_v1_OpBatch__Output } from './meridian/v1/OpBatch.ts';
import type { PublisherFrame as _meridian_v1_PublisherFrame, PublisherFrame__Output as _meridian_v1_PublisherFrame__Output } from './meridian/v1/PublisherFrame.ts';
import type { PullFrame as _meridian_v1_PullFrame, PullFrame__Output as _meridian_v1_PullFrame__Output } from './meridian/v1/PullFrame.ts';
import type { PullRequest as _meridian_v1_PullRequest, PullRequest__Output as _meridian_v1_PullRequest__Output } from './meridian/v1/PullRequest.ts';
import type { Pulse as _meridian_v1_Pulse, Pulse__Output as _meridian_v1_Pulse__Output } from './meridian/v1/Pulse.ts';
import type { SubscriberFrame as _meridian_v1_SubscriberFrame, SubscriberFrame__Output as _meridian_v1_SubscriberFrame__Output } from './meridian/v1/SubscriberFrame.ts';
import type { UnknownRegisters as _meridian_v1_UnknownRegisters, UnknownRegisters__Output as _meridian_v1_UnknownRegisters__Output } from './meridian/v1/UnknownRegisters.ts';
import type { Want as _meridian_v1_Want, Want__Output as _meridian_v1_Want__Output } from './meridian/v1/Want.ts';
import type { WantedOrigin as _meridian_v1_WantedOrigin, WantedOrigin__Output as _meridian_v1_WantedOrigin__Output } from './meridian/v1/WantedOrigin.ts';

type SubtypeConstructor<Constructor extends new (...args: any) => any, Subtype> = {
  new(...args: ConstructorParameters<Constructor>): Subtype;
};

export interface ProtoGrpcType {
  meridian: {
    v1: {
      Ack: MessageTypeDefinition<_meridian_v1_Ack, _meridian_v1_Ack__Output>
      Ask: MessageTypeDefinition<_meridian_v1_Ask, _meridian_v1_Ask__Output>
      AuditAnswer: MessageTypeDefinition<_meridian_v1_AuditAnswer, _meridian_v1_AuditAnswer__Output>
      AuditLaneFrame: MessageTypeDefinition<_meridian_v1_AuditLaneFrame, _meridian_v1_AuditLaneFrame__Output>
      AuditLaneRequest: MessageTypeDefinition<_meridian_v1_AuditLaneRequest, _meridian_v1_AuditLaneRequest__Output>
      AuditRequest: MessageTypeDefinition<_meridian_v1_AuditRequest, _meridian_v1_AuditRequest__Output>
      Chain: MessageTypeDefinition<_meridian_v1_Chain, _meridian_v1_Chain__Output>
      Credit: MessageTypeDefinition<_meridian_v1_Credit, _meridian_v1_Credit__Output>
      End: MessageTypeDefinition<_meridian_v1_End, _meridian_v1_End__Output>
      Heads: MessageTypeDefinition<_meridian_v1_Heads, _meridian_v1_Heads__Output>
      ImageRequest: MessageTypeDefinition<_meridian_v1_ImageRequest, _meridian_v1_ImageRequest__Output>
      ImageState: MessageTypeDefinition<_meridian_v1_ImageState, _meridian_v1_ImageState__Output>
      Live: MessageTypeDefinition<_meridian_v1_Live, _meridian_v1_Live__Output>
      LookupAnswer: MessageTypeDefinition<_meridian_v1_LookupAnswer, _meridian_v1_LookupAnswer__Output>
      Lost: MessageTypeDefinition<_meridian_v1_Lost, _meridian_v1_Lost__Output>
      Metadata: SubtypeConstructor<typeof grpc.Client, _meridian_v1_MetadataClient> & { service: _meridian_v1_MetadataDefinition }
      MissingBlob: MessageTypeDefinition<_meridian_v1_MissingBlob, _meridian_v1_MissingBlob__Output>
      OpBatch: MessageTypeDefinition<_meridian_v1_OpBatch, _meridian_v1_OpBatch__Output>
      PublisherFrame: MessageTypeDefinition<_meridian_v1_PublisherFrame, _meridian_v1_PublisherFrame__Output>
      PullFrame: MessageTypeDefinition<_meridian_v1_PullFrame, _meridian_v1_PullFrame__Output>
      PullRequest: MessageTypeDefinition<_meridian_v1_PullRequest, _meridian_v1_PullRequest__Output>
      Pulse: MessageTypeDefinition<_meridian_v1_Pulse, _meridian_v1_Pulse__Output>
      SubscriberFrame: MessageTypeDefinition<_meridian_v1_SubscriberFrame, _meridian_v1_SubscriberFrame__Output>
      UnknownRegisters: MessageTypeDefinition<_meridian_v1_UnknownRegisters, _meridian_v1_UnknownRegisters__Output>
      Want: MessageTypeDefinition<_meridian_v1_Want, _meridian_v1_Want__Output>
      WantedOrigin: MessageTypeDefinition<_meridian_v1_WantedOrigin, _meridian_v1_WantedOrigin__Output>
    }
  }
}

