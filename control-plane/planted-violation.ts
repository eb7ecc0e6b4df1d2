import { createPipeline } from '../sidecar/pipeline.ts'
export const planted = createPipeline
