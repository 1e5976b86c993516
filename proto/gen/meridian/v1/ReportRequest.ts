// Original file: proto/meridian/v1/control.proto


export interface ReportRequest {
}

export interface ReportRequest__Output {
}
