// Original file: proto/meridian/v1/control.proto


export interface MembersHeard {
}

export interface MembersHeard__Output {
}
