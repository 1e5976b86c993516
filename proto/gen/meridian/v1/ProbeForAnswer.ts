// Original file: proto/meridian/v1/control.proto


export interface ProbeForAnswer {
  'isReached'?: (boolean);
}

export interface ProbeForAnswer__Output {
  'isReached': (boolean);
}
