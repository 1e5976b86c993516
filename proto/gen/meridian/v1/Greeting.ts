// Original file: proto/meridian/v1/control.proto

import type { Long } from '@grpc/proto-loader';

export interface Greeting {
  'cluster'?: (string);
  'node'?: (string);
  'region'?: (string);
  'origin'?: (string);
  'boot'?: (number | string | Long);
  'protocolMin'?: (number);
  'protocolMax'?: (number);
  'advertisedRegistry'?: (string);
  'advertisedPeer'?: (string);
  'version'?: (string);
  'nonce'?: (string);
}

export interface Greeting__Output {
  'cluster': (string);
  'node': (string);
  'region': (string);
  'origin': (string);
  'boot': (string);
  'protocolMin': (number);
  'protocolMax': (number);
  'advertisedRegistry': (string);
  'advertisedPeer': (string);
  'version': (string);
  'nonce': (string);
}
