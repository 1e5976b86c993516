// Original file: proto/meridian/v1/metadata.proto


export interface Ask {
}

export interface Ask__Output {
}
