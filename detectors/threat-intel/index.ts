export { type CompiledFeeds, compileFeeds, type Feed, type FeedSummary } from './feeds/compile-feeds.ts'
export { FEED_FORMATS, type FeedFormat, type FeedProblem } from './feeds/feed.ts'
