// Original file: proto/meridian/v1/control.proto


export interface ProbeForRequest {
  'target'?: (string);
  'address'?: (string);
  'withinMs'?: (number);
}

export interface ProbeForRequest__Output {
  'target': (string);
  'address': (string);
  'withinMs': (number);
}
