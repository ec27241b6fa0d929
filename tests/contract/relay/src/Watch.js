// The events of a build, whatever kinds are added later, and the build that each of them updates.
import { graphql } from "relay-runtime";

graphql`
  subscription WatchSubscription($build: ID!, $after: String) {
    buildProgress(build: $build, after: $after) {
      __typename
      id
      cursor
      message
      final
      ... on CandidateScored {
        best
        candidate {
          family
          score
        }
      }
      build {
        status
        percent
      }
    }
  }
`;
